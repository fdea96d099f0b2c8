-- Raises the ttl of a reader, never lowers it. Restores a reader that the node has lost.
--
-- KEYS  1 readers  2 bar of the readers  3 writer  4 bar of the writers  [5 marker  6 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the bars in ms  [5 value of the marker  6 guard time in ms]
--
-- OK                   held, for at least the ttl
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     not carried out: see guard.lua
-- {EPOCH, marker}      not carried out: see guard.lua
-- RESTORED             restored: it was missing, there is no writer, and the bar shows neither a release nor a later writer
-- GONE                 missing
-- {BADFENCE, bar}, {WRONGTYPE, key}  as the extension of a lock
local abstains = KEYS[5] and no_vote(KEYS[5], KEYS[6], ARGV[5], ARGV[6])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end
local owner, ttl, token, retention = unpack(ARGV)
local was = redis.call('MGET', KEYS[2], KEYS[3], KEYS[4], KEYS[1])
local bar, writer, others, only = was[1], was[2], was[3], was[4]
local reads, left = only == owner, 0
if not only then
  left = (redis.call('ZSCORE', KEYS[1], owner) or 0) - clock()
  reads = left > 0
end

-- A node that may have forgotten the reader cannot say that it is gone.
if not reads and writer then return abstains or redis.status_reply('GONE') end
if not is_bar(bar) then return {'BADFENCE', string.sub(bar, 1, 32)} end
if not is_bar(others) then return {'BADFENCE', string.sub(others, 1, 32)} end
if not reads and bar and tonumber(bar) >= tonumber(token) then return abstains or redis.status_reply('GONE') end

-- An expiry needs no memory, and after it a server whose memory is full refuses no write of this script.
if reads then redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), tonumber(ttl))) end
if not raise(KEYS[4], others, token, retention) then return {'WRONGTYPE', KEYS[4]} end
if only ~= owner and left < ttl + 0 then
  local failed = add_reader(KEYS[1], only, owner, ttl)
  if failed then return failed end
end
return abstains or redis.status_reply(reads and 'OK' or 'RESTORED')
