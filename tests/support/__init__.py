"""What tests of several kinds share: waiting for servers, finding peers, installing them."""
