-- Acquires a lock for a reader. Raises the bar of the writers to its token: later writers have larger tokens.
--
-- KEYS  1 readers  2 bar of the readers  3 writer  4 bar of the writers  5 intent  6 waiting readers
--       [7 marker  8 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the bars in ms
--       5 inbox to notify when there is no writer, or empty  6 since when the inbox waits, in us
--       [7 value of the marker  8 guard time in ms]
--
-- OK                   acquired
-- {QUARANTINED, left}  acquired, but no vote
-- {MAXTTL, marker}     not acquired: see guard.lua
-- {EPOCH, marker}      not acquired: see guard.lua
-- {HELD, left, bar, owner}  a writer holds the lock for `left` ms, or waits since before this reader began to wait. A fifth
--                      element if the inbox could not join the waitlist
-- {STALE, bar}         the token is not above the bar; nothing was written
-- {NOEXPIRY}, {BADFENCE, bar}, {WRONGTYPE, key}  as the acquire of a lock
local abstains = KEYS[7] and no_vote(KEYS[7], KEYS[8], ARGV[7], ARGV[8])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end
local owner, ttl, token, retention, inbox, since = unpack(ARGV)
local was = redis.call('MGET', KEYS[3], KEYS[2], KEYS[4], KEYS[5], KEYS[1])
local writer, bar, others, intent, only = was[1], was[2], was[3], was[4], was[5]

-- A reader that has waited for longer than the writer goes first, so that a stream of writers cannot keep it out.
local began = intent and tonumber(string.match(intent, ' (%d+)$'))
local waits = began and (inbox == '' or tonumber(since) >= began)
if writer or waits then
  local left = redis.call('PTTL', writer and KEYS[3] or KEYS[5])
  if left == -1 then return {'NOEXPIRY'} end
  return held(left, bar, writer or somebody, KEYS[6], inbox, since)
end

if not is_bar(bar) then return {'BADFENCE', string.sub(bar, 1, 32)} end
if not is_bar(others) then return {'BADFENCE', string.sub(others, 1, 32)} end
if bar and bar + 0 >= token + 0 then return {'STALE', bar} end
-- The bar is raised first: without it, the next writer could have a lower token.
if not raise(KEYS[4], others, token, retention) then return {'WRONGTYPE', KEYS[4]} end
local failed = add_reader(KEYS[1], only, owner, ttl)
if failed then return failed end
if inbox ~= '' then redis.pcall('ZREM', KEYS[6], inbox) end
return abstains or redis.status_reply('OK')
