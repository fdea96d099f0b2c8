-- Checks whether the server would carry out an acquire: it calls what an acquire calls, and changes nothing.
--
-- KEYS  1 a key that nobody writes  [2 marker  3 quarantine]
-- ARGV  1 `1` if locks have fences  [2 value of the marker  3 guard time in ms]
--
-- OK                      votes
-- {QUARANTINED, left}     does not vote for `left` ms
-- {MAXTTL, marker}        see guard.lua
-- {EPOCH, marker}         see guard.lua
--
-- The server checks whether it accepts a write before it sees that `XX` forbids this one.
redis.call('SET', KEYS[1], '', 'XX', 'PX', 1)
if ARGV[1] == '1' then redis.call('MGET', KEYS[1]) end
return KEYS[2] and no_vote(KEYS[2], KEYS[3], ARGV[2], ARGV[3]) or redis.status_reply('OK')
