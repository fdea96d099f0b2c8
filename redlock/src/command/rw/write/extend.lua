-- Raises the ttl of a writer, never lowers it. Restores a writer that the node has lost.
--
-- KEYS  1 writer  2 bar of the writers  3 readers  4 bar of the readers  [5 marker  6 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the bars in ms  5 last token
--       [6 value of the marker  7 guard time in ms]
--
-- OK                   held, for at least the ttl
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     not carried out: see guard.lua
-- {EPOCH, marker}      not carried out: see guard.lua
-- RESTORED             restored: it was missing, there are no readers, and the bar shows neither a release nor a later holder
-- GONE                 missing, or another writer holds the lock
-- {BADFENCE, bar}, {WRONGTYPE, key}  as the extension of a lock
local abstains = KEYS[5] and no_vote(KEYS[5], KEYS[6], ARGV[6], ARGV[7])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end
local owner, ttl, token, retention, last = unpack(ARGV)
local was = redis.call('MGET', KEYS[1], KEYS[2], KEYS[4], KEYS[3])
local writer, bar, others, only = was[1], was[2], was[3], was[4]

-- A node that may have forgotten the writer cannot say that it is gone.
local gone = abstains or redis.status_reply('GONE')
if writer and writer ~= owner then return gone end
if not writer and read_for(KEYS[3], only) ~= 0 then return gone end
if not is_bar(bar) then return {'BADFENCE', string.sub(bar, 1, 32)} end
if not is_bar(others) then return {'BADFENCE', string.sub(others, 1, 32)} end
if not writer and bar and tonumber(bar) > tonumber(token) then return gone end

-- An expiry needs no memory, and after it a server whose memory is full refuses no write of this script.
if writer and redis.call('PTTL', KEYS[1]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[1], ttl) end
if not raise(KEYS[2], bar, last, retention) then return {'WRONGTYPE', KEYS[2]} end
if not raise(KEYS[4], others, last, retention) then return {'WRONGTYPE', KEYS[4]} end
if writer then return abstains or redis.status_reply('OK') end
if not redis.call('SET', KEYS[1], owner, 'PX', ttl, 'NX') then return {'WRONGTYPE', KEYS[1]} end
redis.call('DEL', KEYS[3])
return abstains or redis.status_reply('RESTORED')
