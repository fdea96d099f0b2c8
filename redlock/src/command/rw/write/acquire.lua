-- Acquires a lock for a writer. Raises both bars to its last token: later writers and readers have larger tokens. A writer that
-- is refused and waits leaves an intent, which keeps out readers that began to wait after it.
--
-- KEYS  1 writer  2 bar of the writers  3 readers  4 bar of the readers  5 intent  6 waiting writers
--       [7 marker  8 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the bars in ms  5 last token
--       6 inbox to notify when it is free, or empty  7 since when the inbox waits, in us
--       [8 value of the marker  9 guard time in ms]
--
-- OK                   acquired
-- {QUARANTINED, left}  acquired, but no vote
-- {MAXTTL, marker}     not acquired: see guard.lua
-- {EPOCH, marker}      not acquired: see guard.lua
-- {HELD, left, bar, owner}  another writer or readers hold the lock for `left` ms. A fifth element if the inbox could not
--                      join the waitlist
-- {STALE, bar}         the token is not above the bar; nothing was written
-- {NOEXPIRY}, {BADFENCE, bar}, {WRONGTYPE, key}  as the acquire of a lock
local abstains = KEYS[7] and no_vote(KEYS[7], KEYS[8], ARGV[8], ARGV[9])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end
local owner, ttl, token, retention, last, inbox, since = unpack(ARGV)
local was = redis.call('MGET', KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[3])
local writer, bar, others, intent, only = was[1], was[2], was[3], was[4], was[5]
local is_own = intent and inbox ~= '' and string.sub(intent, 1, #inbox + 1) == inbox .. ' '

local holder, left
if writer and writer ~= owner then
  holder, left = writer, redis.call('PTTL', KEYS[1])
else
  left = read_for(KEYS[3], only)
  holder = left > 0 and somebody
end
if left == -1 then return {'NOEXPIRY'} end
if holder then
  if inbox ~= '' and is_bar(bar) then
    -- A request that arrives after its own release leaves no intent. But one whose token is stale because of readers asks
    -- again with a larger token: without its intent, it would wait for as long as readers come.
    if bar and tonumber(bar) >= tonumber(token) then return {'STALE', bar} end
    -- The writer asks again when the lease that keeps it out is over.
    if is_own or not intent then
      redis.pcall('SET', KEYS[5], inbox .. ' ' .. since, 'PX', string.format('%.0f', left + 3000))
    end
  end
  return held(left, bar, holder, KEYS[6], inbox, since)
end

if not is_bar(bar) then return {'BADFENCE', string.sub(bar, 1, 32)} end
if not is_bar(others) then return {'BADFENCE', string.sub(others, 1, 32)} end
if bar and tonumber(bar) >= tonumber(token) then return {'STALE', bar} end
-- The bars are raised first: without them, the next token could be lower.
if not raise(KEYS[2], bar, last, retention) then return {'WRONGTYPE', KEYS[2]} end
if not raise(KEYS[4], others, last, retention) then return {'WRONGTYPE', KEYS[4]} end
if writer then
  redis.call('SET', KEYS[1], owner, 'PX', ttl)
elseif not redis.call('SET', KEYS[1], owner, 'PX', ttl, 'NX') then
  return {'WRONGTYPE', KEYS[1]}
end
-- Any reader that is still listed has expired.
redis.call('DEL', KEYS[3])
if is_own then redis.call('DEL', KEYS[5]) end
if inbox ~= '' then redis.pcall('ZREM', KEYS[6], inbox) end
return abstains or redis.status_reply('OK')
