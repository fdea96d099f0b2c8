-- Looks at, and where needed leaves, the marker of the strict restart guard.
--
-- KEYS  1 marker  2 quarantine
-- ARGV  1 marker  2 guard time in ms
--
-- OK                      votes
-- {QUARANTINED, ms left}  does not vote yet
-- {MAXTTL, marker}        other clients have another max_ttl
-- {EPOCH, marker}         the server is the master by a later election than the client knows
return no_vote(KEYS[1], KEYS[2], ARGV[1], ARGV[2]) or redis.status_reply('OK')
