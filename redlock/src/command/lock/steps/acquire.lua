-- The step of an acquire, alone and in a batch.
--
-- abstains     the reply of guard.lua, or nothing
-- lock_key, fence_key, waiters_key
--              the last only with an inbox
-- holder, fence
--              the values of the first two keys, by MGET
-- owner, ttl, token, last, retention
--              the fence becomes `last`, so the tokens from `token` to `last` are reserved
-- inbox, since the inbox to notify when the lock is free, or empty, and since when it waits
--
-- OK                   taken
-- {QUARANTINED, left}  taken, but no vote
-- {MAXTTL, marker}     not taken: see guard.lua
-- {EPOCH, marker}      not taken: see guard.lua
-- {HELD, left, fence, owner}  another owner holds it for `left` ms; the owner is empty if the value is too long for one.
--                      A fifth element if the inbox could not join the waitlist
-- {STALE, fence}       the token is not above the fence; nothing was written
-- {NOEXPIRY}           the key has no expiry: not a lock
-- {BADFENCE, fence}    the fence is outside of the range of tokens
-- {WRONGTYPE, key}     the key holds a hash, a list or the like
--
-- Tokens stay strings: as a Lua number, one of 16 digits would be written as 1.79e+15.
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

if holder and holder ~= owner then
  local left = redis.call('PTTL', lock_key)
  if left == -1 then return {'NOEXPIRY'} end
  -- The values may be anything, so their length in the reply is bounded.
  local held = {'HELD', left, fence and #fence <= 16 and fence or '0', #holder <= 64 and holder or ''}
  if inbox ~= '' then
    -- Sorted by when they began to wait, the same on every node. The list expires some time after the lease.
    local listed = redis.pcall('ZADD', waiters_key, since, inbox)
    -- A release reads the list and removes inboxes: without these rights, a notification may never come.
    if type(listed) ~= 'number' or redis.pcall('ZRANGE', waiters_key, 0, 0).err
        or type(redis.pcall('ZREM', waiters_key, '')) ~= 'number' then
      -- Do not try another write: after one, a server whose memory is full would let the later acquires of a batch write as
      -- well.
      held[5] = 0
    elseif redis.call('PTTL', waiters_key) < left + 10000 then
      -- Never shortens it: others may wait for a longer lease.
      redis.pcall('PEXPIRE', waiters_key, left + 10000)
    end
  end
  return held
end

-- MGET reads another type as missing, so a missing key is only written with NX. The fence is written first: without it,
-- the next token could be lower.
if fence then
  if #fence > 16 or not string.match(fence, '^%d+$') then return {'BADFENCE', string.sub(fence, 1, 32)} end
  -- Arithmetic converts a string of digits at half of the cost of tonumber.
  local seen = fence + 0
  if seen >= 2 ^ 53 - 2 ^ 40 then return {'BADFENCE', string.sub(fence, 1, 32)} end
  if seen >= token + 0 then return {'STALE', fence} end
  redis.call('SET', fence_key, last, 'PX', retention)
elseif not redis.call('SET', fence_key, last, 'PX', retention, 'NX') then
  return {'WRONGTYPE', fence_key}
end

if holder then
  redis.call('SET', lock_key, owner, 'PX', ttl)
elseif not redis.call('SET', lock_key, owner, 'PX', ttl, 'NX') then
  return {'WRONGTYPE', lock_key}
end
if inbox ~= '' then redis.pcall('ZREM', waiters_key, inbox) end
return abstains or ok
