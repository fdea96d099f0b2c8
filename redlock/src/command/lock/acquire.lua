-- Takes a lock together with its fencing token, in one step.
--
-- KEYS  1 lock  2 fence  3 waiters  [4 marker  5 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the fence in ms  5 last token
--       6 inbox to notify when it is free, or empty  7 since when the inbox waits, in us
--       [8 value of the marker  9 guard time in ms]
--
-- OK                   taken; the fence is the last token, so the tokens from 3 to 5 are reserved
-- {QUARANTINED, left}  taken, but no vote
-- {MAXTTL, marker}     not taken: see guard.lua
-- {EPOCH, marker}      not taken: see guard.lua
-- {HELD, left, fence, owner}  another holds it for `left` ms; the owner is empty where the value is too long for one. A
--                      fifth element where the inbox could not join the waitlist
-- {STALE, fence}       the token is not above the fence; nothing was written
-- {NOEXPIRY}           the key has no expiry: not a lock
-- {BADFENCE, fence}    the fence is outside of the range of tokens
-- {WRONGTYPE, key}     the key holds a hash, a list or the like
--
-- Tokens stay strings: as a Lua number, one of 16 digits would be written as 1.79e+15.
local abstains = KEYS[4] and no_vote(KEYS[4], KEYS[5], ARGV[8], ARGV[9])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

local was = redis.call('MGET', KEYS[1], KEYS[2])
local owner, fence = was[1], was[2]

if owner and owner ~= ARGV[1] then
  local left = redis.call('PTTL', KEYS[1])
  if left == -1 then return {'NOEXPIRY'} end
  -- The values may be anything, so their length in the reply is bounded.
  local held = {'HELD', left, fence and #fence <= 16 and fence or '0', #owner <= 64 and owner or ''}
  if ARGV[6] ~= '' then
    -- Sorted by when they began to wait, the same on every node. The list expires some time after the lease.
    local listed = redis.pcall('ZADD', KEYS[3], ARGV[7], ARGV[6])
    if type(listed) ~= 'number' then held[5] = 0 end
    -- Never shortens it: others may wait for a longer lease.
    if redis.call('PTTL', KEYS[3]) < left + 10000 then redis.pcall('PEXPIRE', KEYS[3], left + 10000) end
  end
  return held
end

-- MGET reads another type as missing, so a missing key is only written with NX. The fence is written first: without it,
-- the next token could be lower.
if fence then
  if not string.match(fence, '^%d+$') or #fence > 16 or tonumber(fence) >= 2 ^ 53 - 2 ^ 40 then
    return {'BADFENCE', string.sub(fence, 1, 32)}
  end
  if tonumber(fence) >= tonumber(ARGV[3]) then return {'STALE', fence} end
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[4])
elseif not redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[4], 'NX') then
  return {'WRONGTYPE', KEYS[2]}
end

if owner then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
elseif not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
  return {'WRONGTYPE', KEYS[1]}
end
if ARGV[6] ~= '' then redis.pcall('ZREM', KEYS[3], ARGV[6]) end
return abstains or redis.status_reply('OK')
