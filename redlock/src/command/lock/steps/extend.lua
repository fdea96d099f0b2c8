-- The step of an extension, alone and in a batch. With a fence: restores the lock if the node has lost it.
--
-- abstains       the reply of guard.lua, or nothing
-- lock_key, fence_key
--                the second only if the lock has a fence
-- holder, fence  the values of these keys, by MGET
-- owner, ttl, token, last, retention
--                the fence becomes `last`, which is above `token` if further tokens are asked for. Only up to `token` a
--                majority has confirmed them: a fence above it may be a tombstone, or the token of a later holder
--
-- OK                   held, for at least the ttl
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     not carried out: see guard.lua
-- {EPOCH, marker}      not carried out: see guard.lua
-- RESTORED             restored: the key was missing, and the fence shows neither a release nor a later holder
-- GONE                 missing, or held by another owner
-- {BADFENCE, fence}    the fence is outside of the range of tokens
-- {WRONGTYPE, key}     the key holds a hash, a list or the like
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

-- A node that may have forgotten the lock cannot say that it is gone.
local gone = abstains or redis.status_reply('GONE')
if holder and holder ~= owner then return gone end
if not holder and not fence_key then return gone end
if fence and (not string.match(fence, '^%d+$') or #fence > 16) then return {'BADFENCE', string.sub(fence, 1, 32)} end

if holder then
  -- The expiry is raised first, since that needs no memory. Usually the fence exists, and raising its expiry needs none
  -- either. If it has to be written and memory is full, this is no vote.
  if redis.call('PTTL', lock_key) < tonumber(ttl) then redis.call('PEXPIRE', lock_key, ttl) end
  if fence_key then
    if fence and tonumber(fence) >= tonumber(last) then
      redis.call('PEXPIRE', fence_key, retention)
    else
      local done = put(fence_key, last, retention, not fence and 'NX' or nil)
      if not done then return {'WRONGTYPE', fence_key} end
      if done.err then return done end
    end
  end
  return abstains or ok
end

-- Restore the lock. The fence is written first: without it, the next token could be lower.
if not fence then
  if not redis.call('SET', fence_key, last, 'PX', retention, 'NX') then return {'WRONGTYPE', fence_key} end
elseif tonumber(fence) > tonumber(token) then
  -- A tombstone or a later holder.
  return gone
else
  redis.call('SET', fence_key, last, 'PX', retention)
end
if not redis.call('SET', lock_key, owner, 'PX', ttl, 'NX') then return {'WRONGTYPE', lock_key} end
return abstains or redis.status_reply('RESTORED')
