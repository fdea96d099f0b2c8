-- Takes over a lock that was detached, with a ticket that names its owner and its token.
--
-- KEYS  1 lock  2 fence  [3 marker  4 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the fence in ms  5 owner in the ticket  6 token in the ticket
--       [7 value of the marker  8 guard time in ms]
--
-- OK                   adopted, by this call or an earlier delivery; the fence is the token
-- {QUARANTINED, left}  adopted, but no vote
-- {MAXTTL, marker}     not adopted: see guard.lua
-- {EPOCH, marker}      not adopted: see guard.lua
-- {HELD, left, fence, owner}  another owner holds it for `left` ms: it was adopted before, or the ticket has expired
-- GONE                 missing, and the fence shows a release or a later holder
-- {STALE, fence}       the token is not above the fence; nothing was written
-- {NOEXPIRY}, {BADFENCE, fence}, {WRONGTYPE, key}  as acquire.lua
local abstains = KEYS[3] and no_vote(KEYS[3], KEYS[4], ARGV[7], ARGV[8])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

local was = redis.call('MGET', KEYS[1], KEYS[2])
local owner, fence = was[1], was[2]

if owner and owner ~= ARGV[1] and owner ~= ARGV[5] then
  local left = redis.call('PTTL', KEYS[1])
  if left == -1 then return {'NOEXPIRY'} end
  return {'HELD', left, fence and #fence <= 16 and fence or '0', #owner <= 64 and owner or ''}
end

if fence then
  if not string.match(fence, '^%d+$') or #fence > 16 or tonumber(fence) >= 2 ^ 53 - 2 ^ 40 then
    return {'BADFENCE', string.sub(fence, 1, 32)}
  end
  if owner == ARGV[1] and fence == ARGV[3] then return abstains or redis.status_reply('OK') end
  -- A node that may have forgotten the lock cannot say that it is gone.
  if not owner and tonumber(fence) > tonumber(ARGV[6]) then return abstains or redis.status_reply('GONE') end
  if tonumber(fence) >= tonumber(ARGV[3]) then return {'STALE', fence} end
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
elseif not redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4], 'NX') then
  return {'WRONGTYPE', KEYS[2]}
end

if owner then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
elseif not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
  return {'WRONGTYPE', KEYS[1]}
end
return abstains or redis.status_reply('OK')
