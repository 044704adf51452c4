-- XMPP over websocket (RFC 7395) with rooms (XEP-0045) and in-band registration, on 127.0.0.1 only.
daemonize = false
run_as_root = true
pidfile = "@DIRECTORY@/prosody.pid"
data_path = "@DIRECTORY@/data"
log = { warn = "*console" }

interfaces = { "127.0.0.1" }
http_interfaces = { "127.0.0.1" }
http_ports = { @PORT@ }
c2s_ports = {}
s2s_ports = {}
https_ports = {}
modules_disabled = { "s2s", "tls" }
modules_enabled = { "disco", "ping", "posix", "register", "roster", "saslauth", "websocket" }

-- Passwords go over a connection that never leaves this machine.
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
consider_websocket_secure = true
allow_registration = true
registration_throttle_max = 1000000
authentication = "internal_plain"
storage = "internal"
limits = {}

VirtualHost "localhost"

Component "rooms.localhost" "muc"
    muc_room_locking = false
    restrict_room_creation = false
