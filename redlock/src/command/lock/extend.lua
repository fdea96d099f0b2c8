-- Raises the ttl of a held lock, never lowers it. With a fence: restores the lock where the node has lost it.
--
-- KEYS  1 lock  [2 fence  [3 marker  4 quarantine]]
-- ARGV  1 owner  2 ttl in ms  [3 token  4 retention of the fence in ms  [5 value of the marker  6 guard time in ms]]
--
-- OK                   held, for at least the ttl
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     not carried out: see guard.lua
-- {EPOCH, marker}      not carried out: see guard.lua
-- RESTORED               restored: the key was missing, and the fence shows neither a release nor a later holder
-- GONE                 missing or another's
-- {BADFENCE, fence}    the fence is outside of the range of tokens
-- {WRONGTYPE, key}     the key holds a hash, a list or the like
local abstains = KEYS[3] and no_vote(KEYS[3], KEYS[4], ARGV[5], ARGV[6])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

local owner = redis.call('MGET', KEYS[1])[1]
local fence = KEYS[2] and redis.call('MGET', KEYS[2])[1]

-- A node that may have forgotten the lock cannot tell that it is gone.
local gone = abstains or redis.status_reply('GONE')
if owner and owner ~= ARGV[1] then return gone end
if not owner and not KEYS[2] then return gone end
if fence and (not string.match(fence, '^%d+$') or #fence > 16) then return {'BADFENCE', string.sub(fence, 1, 32)} end

if owner then
  -- The expiry is raised first, since that needs no memory. Mostly the fence is there, and then it needs none either. Where
  -- it has to be written and memory is full, this is no vote.
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  if KEYS[2] then
    if fence and tonumber(fence) >= tonumber(ARGV[3]) then
      redis.call('PEXPIRE', KEYS[2], ARGV[4])
    else
      local done = put(KEYS[2], ARGV[3], ARGV[4], not fence and 'NX' or nil)
      if not done then return {'WRONGTYPE', KEYS[2]} end
      if done.err then return done end
    end
  end
  return abstains or redis.status_reply('OK')
end

-- Restore the lock. The fence is written first: without it, the next token could be lower.
if not fence then
  if not redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4], 'NX') then return {'WRONGTYPE', KEYS[2]} end
elseif tonumber(fence) > tonumber(ARGV[3]) then
  -- A tombstone or a later holder.
  return gone
else
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
if not redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then return {'WRONGTYPE', KEYS[1]} end
return abstains or redis.status_reply('RESTORED')
