"""What every pretended service has, whatever it pretends to be.

Called by the rooms `graph`, `gitlab` and `doors` and by `loopback_http`: a server on loopback that
sends each octet as it is told (`wire`), faults that are met and used up (`faults`), a diary past
the service (`witness`), a state that remembers what it was (`versions`) and what is due (`agenda`),
a table of routes (`routes`), and the host around them (`hosting`). It knows no product.
"""
