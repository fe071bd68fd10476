#!/usr/bin/env bash
# Installs the real servers and tools that the tests speak to. Quick when nothing is missing.
#
# Root or passwordless sudo with apt-get: installs what is missing; services are kept from starting
# (the tests start their own, on loopback, in temporary folders). Otherwise: says what is left out.
# With DEPROVISIONER_REQUIRE_PEERS=1 or CI=true anything left out is an error.
set -euo pipefail

PACKAGES=(slapd slapd-contrib ldap-utils openssl 389-ds-base postgresql
          samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind krb5-user
          golang-go golang-golang-x-mod-dev age)
NPM_PACKAGE='@sigstore/verify@4.1.3'
INDEPENDENT="$(cd "$(dirname "$0")/../contract/independent" && pwd)"
NPM_FOLDER="${XDG_CACHE_HOME:-$HOME/.cache}/deprovisioner-tests/npm"
POLICY=/usr/sbin/policy-rc.d

left_out=()

is_installed() {
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || echo "$package"
  done
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n -- "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null && { [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null; }
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

restore_policy() {
  if [[ -n "${saved_policy:-}" ]]; then
    as_root mv -f "$saved_policy" "$POLICY"
  else
    as_root rm -f "$POLICY"
  fi
}

install_packages() {
  local saved_policy=''
  if [[ -e "$POLICY" ]]; then
    saved_policy="$POLICY.before-deprovisioner-tests"
    as_root mv -f "$POLICY" "$saved_policy"
  fi
  trap restore_policy EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
  # A machine that has never asked for the lists knows no candidate: ask then, and only then.
  if ! apt-cache show "$@" >/dev/null 2>&1; then apt update; fi
  apt install -y --no-install-recommends "$@" >/dev/null || {
    apt update
    local package  # one by one: a package that this release lacks must not keep the others away
    for package in "$@"; do apt install -y --no-install-recommends "$package" >/dev/null || true; done
  }
  trap - EXIT
  restore_policy
}

install_system_packages() {
  local missing
  command -v dpkg-query >/dev/null || { left_out+=("${PACKAGES[@]}"); return; }
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]})) && may_install; then
    echo "installing for the tests: ${missing[*]}"
    install_packages "${missing[@]}" || true  # what is still missing is named below
    mapfile -t missing < <(missing_packages)
  fi
  left_out+=("${missing[@]}")
}

install_npm_package() {
  local wanted="${NPM_PACKAGE##*@}" manifest="$NPM_FOLDER/node_modules/${NPM_PACKAGE%@*}/package.json"
  if [[ -f "$manifest" ]] && grep -q "\"version\": \"$wanted\"" "$manifest"; then return; fi
  if command -v npm >/dev/null; then
    mkdir -p "$NPM_FOLDER"
    echo "installing for the tests: $NPM_PACKAGE"
    cp "$INDEPENDENT"/package.json "$INDEPENDENT"/package-lock.json "$NPM_FOLDER"/  # hashes
    npm ci --prefix "$NPM_FOLDER" --no-audit --no-fund --no-update-notifier \
      --ignore-scripts --loglevel=error </dev/null >/dev/null || left_out+=("$NPM_PACKAGE")
  else
    left_out+=("$NPM_PACKAGE (no npm)")
  fi
}

install_system_packages
install_npm_package
bash "$(dirname "$0")/install_canaille.sh" || left_out+=(canaille)

if ((${#left_out[@]})); then
  echo "left out, tests that need them will say so: ${left_out[*]}" >&2
  if [[ "${DEPROVISIONER_REQUIRE_PEERS:-}" == 1 || "${CI:-}" == true ]]; then exit 1; fi
fi
