"""Mailboxes: settings, rules that forward, messages as MIME, and Exchange's export of items.

The rules kept: a mailbox is there while a licence keeps it (or it is shared); what a mailbox is
for (`userPurpose`) is read only; SMTP forwarding and delegates are not in Graph, so they are not
here. Refusals are in Exchange's words.
"""

import base64
from email.message import EmailMessage

from deprovisioner.sandbox.graph import licences, objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

SETTINGS = Kind(
    "mailboxSettings",
    words(
        "archiveFolder automaticRepliesSetting dateFormat delegateMeetingMessageDeliveryOptions "
        "language timeFormat timeZone userPurpose workingHours"
    ),
)
RULE = Kind(
    "messageRule",
    words("actions conditions displayName exceptions hasError id isEnabled isReadOnly sequence"),
)
FOLDER = Kind(
    "mailFolder",
    words("childFolderCount displayName id isHidden parentFolderId totalItemCount unreadItemCount"),
)
MESSAGE = Kind(
    "message",
    words(
        "bccRecipients body bodyPreview categories ccRecipients createdDateTime "
        "from hasAttachments id importance internetMessageId isDraft isRead lastModifiedDateTime "
        "parentFolderId receivedDateTime sender sentDateTime subject toRecipients"
    ),
    basic={
        "receivedDateTime": words("ge le gt lt"),
        "isRead": words("eq"),
        "id": words("eq"),
    },
)
CONTACT = Kind(
    "contact", words("companyName displayName emailAddresses givenName id parentFolderId surname")
)
EXPORT_FOLDER = Kind(
    "mailboxFolder", words("childFolderCount displayName id parentFolderId totalItemCount type")
)
EXPORT_ITEM = Kind(
    "mailboxItem", words("categories changeKey createdDateTime id lastModifiedDateTime size type")
)
_OPTIONS = words("$select $filter $top $skiptoken $count")
_MOST_EXPORTED = 20
_CHANGEABLE = words(
    "automaticRepliesSetting dateFormat delegateMeetingMessageDeliveryOptions language timeFormat "
    "timeZone workingHours"
)


def mailbox(view: View, key: str) -> Record:
    """Return a user's mailbox; raises GraphError 404 where none is kept."""
    user = objects.user(view, key)
    found = view.get(Table.MAILBOXES, user["id"])
    shared = found is not None and found["userPurpose"] != "user"
    if found is None or not (shared or licences.has_mailbox(view, user)):
        raise GraphError(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    return found


def missing() -> GraphError:
    """Return a 404 in Exchange's words."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def _settings(call: Call) -> Reply:
    found = mailbox(call.view, call.path["user"])
    context = f"users('{found['id']}')/mailboxSettings"
    return Item(Typed(SETTINGS, found), context, options=words("$select"))


def _change_settings(call: Call) -> Reply:
    found = mailbox(call.world.truth, call.path["user"])
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    if not changes or not _CHANGEABLE.issuperset(changes):
        raise bad_request("A property is read only.", "ErrorInvalidRequest")
    replies = changes.get("automaticRepliesSetting")
    if isinstance(replies, dict):
        changes["automaticRepliesSetting"] = {**found["automaticRepliesSetting"], **replies}
    changed = call.world.store.change(Table.MAILBOXES, found["id"], **changes)
    context = f"users('{found['id']}')/mailboxSettings"
    return Item(Typed(SETTINGS, changed), context)


# ---------------------------------------------------------------------------------------- rules


def _inbox(view: View, call: Call) -> Record:
    found = mailbox(view, call.path["user"])
    if call.path["folder"].lower() not in {"inbox", found["_inbox"]}:
        raise missing()
    return found


def _rules(call: Call) -> Reply:
    found = _inbox(call.view, call)
    items = [Typed(RULE, row) for row in call.view.where(Table.MESSAGE_RULES, _user=found["id"])]
    context = f"users('{found['id']}')/mailFolders('inbox')/messageRules"
    return Listing(RULE, items, context, directory=False, options=_OPTIONS)


def _one_rule(view: View, call: Call) -> Record:
    found = _inbox(view, call)
    rule = view.get(Table.MESSAGE_RULES, call.path["rule"])
    if rule is None or rule["_user"] != found["id"]:
        raise missing()
    return rule


def _rule(call: Call) -> Reply:
    return Item(Typed(RULE, _one_rule(call.view, call)), "messageRules/$entity")


def _add_rule(call: Call) -> Reply:
    found = _inbox(call.world.truth, call)
    given = {name: value for name, value in call.body.items() if name in RULE.members}
    for name in ("displayName", "sequence", "actions"):
        if not given.get(name):
            raise bad_request(f"'{name}' is required.", "ErrorInvalidRequest")
    record: Record = {
        **given,
        "id": call.world.new_id(),
        "hasError": False,
        "isReadOnly": False,
        "isEnabled": given.get("isEnabled", True),
        "_user": found["id"],
    }
    call.world.store.put(Table.MESSAGE_RULES, record)
    return Item(Typed(RULE, record), "messageRules/$entity", status=201)


def _change_rule(call: Call) -> Reply:
    old = _one_rule(call.world.truth, call)
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    if not changes or not (RULE.members - words("id hasError isReadOnly")).issuperset(changes):
        raise bad_request("A property is read only.", "ErrorInvalidRequest")
    changed = call.world.store.change(Table.MESSAGE_RULES, old["id"], **changes)
    return Item(Typed(RULE, changed), "messageRules/$entity")


def _remove_rule(call: Call) -> Reply:
    call.world.store.drop(Table.MESSAGE_RULES, _one_rule(call.world.truth, call)["id"])
    return Answer(204)


# ------------------------------------------------------------------------------------- messages


def _folders(call: Call) -> Reply:
    found = mailbox(call.view, call.path["user"])
    number = len(call.view.where(Table.MESSAGES, _user=found["id"]))
    inbox: Record = {
        "id": found["_inbox"],
        "displayName": "Inbox",
        "parentFolderId": f"{found['_inbox']}-root",
        "childFolderCount": 0,
        "totalItemCount": number,
        "unreadItemCount": 0,
        "isHidden": False,
    }
    context = f"users('{found['id']}')/mailFolders"
    return Listing(FOLDER, [Typed(FOLDER, inbox)], context, directory=False, options=_OPTIONS)


def _messages(call: Call) -> Reply:
    found = mailbox(call.view, call.path["user"])
    items = [Typed(MESSAGE, row) for row in call.view.where(Table.MESSAGES, _user=found["id"])]
    context = f"users('{found['id']}')/messages"
    return Listing(MESSAGE, items, context, directory=False, default=10, most=999, options=_OPTIONS)


def _contacts(call: Call) -> Reply:
    """Return the address book: here, whoever wrote to this mailbox."""
    found = mailbox(call.view, call.path["user"])
    senders = {
        row["from"]["emailAddress"]["address"]: row["from"]["emailAddress"]
        for row in call.view.where(Table.MESSAGES, _user=found["id"])
    }
    items = [
        Typed(
            CONTACT,
            {
                "id": f"contact-{number}",
                "displayName": who["name"],
                **_SPARE,
                "emailAddresses": [who],
            },
        )
        for number, who in enumerate(senders.values())
    ]
    context = f"users('{found['id']}')/contacts"
    return Listing(CONTACT, items, context, directory=False, default=10, most=999, options=_OPTIONS)


_SPARE: Record = {
    "companyName": None, "givenName": None, "parentFolderId": "contacts", "surname": None,
}  # fmt: skip


def _one_message(call: Call) -> Record:
    found = mailbox(call.view, call.path["user"])
    message = call.view.get(Table.MESSAGES, call.path["message"])
    if message is None or message["_user"] != found["id"]:
        raise missing()
    return message


def _message(call: Call) -> Reply:
    return Item(Typed(MESSAGE, _one_message(call)), "messages/$entity")


def _mime(call: Call) -> Reply:
    return Answer(200, as_mime(_one_message(call)), content_type="text/plain")


def as_mime(message: Record) -> bytes:
    """Return a message as Exchange gives it to `$value`."""
    made = EmailMessage()
    made["From"] = message["from"]["emailAddress"]["address"]
    made["To"] = message["toRecipients"][0]["emailAddress"]["address"]
    made["Subject"] = message["subject"]
    made["Message-ID"] = message["internetMessageId"]
    made.set_content(message["body"]["content"], cte="8bit", charset="utf-8")
    return made.as_bytes().replace(b"\n", b"\r\n")


# --------------------------------------------------------------------------------------- export


def _exported_mailbox(view: View, key: str) -> Record:
    for found in view.every(Table.MAILBOXES):
        if found["_mailbox"] == key:
            return mailbox(view, found["id"])
    raise missing()


def _export_folders(call: Call) -> Reply:
    found = _exported_mailbox(call.view, call.path["mailbox"])
    number = len(call.view.where(Table.MESSAGES, _user=found["id"]))
    inbox: Record = {
        "id": found["_inbox"],
        "displayName": "Inbox",
        "parentFolderId": f"{found['_inbox']}-root",
        "childFolderCount": 0,
        "totalItemCount": number,
        "type": "IPF.Note",
    }
    items = [Typed(EXPORT_FOLDER, inbox)]
    return Listing(EXPORT_FOLDER, items, "folders", directory=False, options=_OPTIONS)


def _export_items(call: Call) -> Reply:
    found = _exported_mailbox(call.view, call.path["mailbox"])
    if call.path["folder"] != found["_inbox"]:
        raise missing()
    items = []
    for row in call.view.where(Table.MESSAGES, _user=found["id"]):
        shown: Record = {"id": row["id"], "type": "IPM.Note", "size": len(as_mime(row))}
        shown.update(
            createdDateTime=row["createdDateTime"],
            lastModifiedDateTime=row["lastModifiedDateTime"],
            categories=[],
        )
        items.append(Typed(EXPORT_ITEM, shown))
    return Listing(EXPORT_ITEM, items, "items", directory=False, options=_OPTIONS)


def _export(call: Call) -> Reply:
    found = _exported_mailbox(call.world.truth, call.path["mailbox"])
    keys = call.body.get("ItemIds", call.body.get("itemIds"))
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_EXPORTED:
        raise bad_request("ItemIds holds 1 to 20 ids.", "ErrorInvalidRequest")
    exported = []
    for key in keys:
        row = call.world.truth.get(Table.MESSAGES, str(key))
        if row is None or row["_user"] != found["id"]:
            error = {"code": "ErrorItemNotFound", "message": "The item was not found."}
            exported.append({"itemId": key, "error": error})
            continue
        # An opaque stream in the real service; here the octets of the message.
        data = base64.b64encode(as_mime(row)).decode()
        exported.append({"itemId": key, "changeKey": None, "data": data})
    return Answer(200, {"value": exported})


_RULES = "/users/{user}/mailFolders/{folder}/messageRules"
_SETTINGS, _ADMIN = "/users/{user}/mailboxSettings", "/admin/exchange/mailboxes/{mailbox}"

ROUTES: tuple[Route, ...] = (
    *routes(
        "MailboxSettings.Read MailboxSettings.ReadWrite",
        ("GET", _SETTINGS, _settings),
        ("GET", _RULES, _rules),
        ("GET", f"{_RULES}/{{rule}}", _rule),
        outlook=True,
    ),
    *routes(
        "MailboxSettings.ReadWrite",
        ("PATCH", _SETTINGS, _change_settings),
        ("POST", _RULES, _add_rule),
        ("PATCH", f"{_RULES}/{{rule}}", _change_rule),
        ("DELETE", f"{_RULES}/{{rule}}", _remove_rule),
        outlook=True,
    ),
    *routes(
        "Mail.ReadBasic.All Mail.ReadWrite Mail.Read",
        ("GET", "/users/{user}/mailFolders", _folders),
        ("GET", "/users/{user}/messages", _messages),
        ("GET", "/users/{user}/messages/{message}", _message),
        outlook=True,
    ),
    *routes(
        "Contacts.Read Contacts.ReadWrite",
        ("GET", "/users/{user}/contacts", _contacts),
        outlook=True,
    ),
    *routes(
        "Mail.ReadWrite Mail.Read",
        ("GET", "/users/{user}/messages/{message}/$value", _mime),
        outlook=True,
    ),
    *routes(
        "MailboxFolder.Read.All MailboxFolder.ReadWrite.All",
        ("GET", f"{_ADMIN}/folders", _export_folders),
        outlook=True,
    ),
    *routes(
        "MailboxItem.Read.All MailboxItem.ReadWrite.All",
        ("GET", f"{_ADMIN}/folders/{{folder}}/items", _export_items),
        outlook=True,
    ),
    *routes(
        "MailboxItem.Export.All MailboxItem.ImportExport.All",
        ("POST", f"{_ADMIN}/exportItems", _export),
        outlook=True,
    ),
)
