-- Checks the marker of the strict restart guard, and writes it if it is missing.
--
-- KEYS  1 marker  2 quarantine
-- ARGV  1 value of the marker  2 guard time in ms
--
-- OK                      votes
-- {QUARANTINED, left}     does not vote for `left` ms
-- {MAXTTL, marker}        other clients have another max_ttl
-- {EPOCH, marker}         the server is the master by a later election than the client knows
return no_vote(KEYS[1], KEYS[2], ARGV[1], ARGV[2]) or redis.status_reply('OK')
