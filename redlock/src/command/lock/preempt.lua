-- Announces a request for a lock whose newest request wins, and notifies the process of the newest one before it.
--
-- KEYS  1 newest request  [2 marker  3 quarantine]
-- ARGV  1 since: the number of the request  2 its inbox  3 how long it is remembered, in ms  4 channel prefix  5 lock
--       [6 value of the marker  7 guard time in ms]
--
-- OK                   no newer request is known
-- {QUARANTINED, left}  the same, but no vote
-- {MAXTTL, marker}     not announced: see guard.lua
-- {EPOCH, marker}      not announced: see guard.lua
-- {STALE, since}       a newer request is known, or another one with the same number; nothing was written
local abstains = KEYS[2] and no_vote(KEYS[2], KEYS[3], ARGV[6], ARGV[7])
if abstains and abstains[1] ~= 'QUARANTINED' then return abstains end

-- MGET reads another type as missing. Whatever is no request is replaced.
local was = redis.call('MGET', KEYS[1])[1]
local own = ARGV[1] .. ' ' .. ARGV[2]
local since, inbox = string.match(was or '', '^(%d+) (.*)$')
if since and #since > 16 then since = nil end
if since and was ~= own and tonumber(since) >= tonumber(ARGV[1]) then return {'STALE', since} end

redis.call('SET', KEYS[1], own, 'PX', ARGV[3])
-- With pcall: without the right to publish, the older request notices it when it announces itself again.
if since and inbox ~= ARGV[2] then
  local newer = 'newer:' .. string.rep('0', 26 - #ARGV[1]) .. ARGV[1]
  redis.pcall('PUBLISH', ARGV[4] .. inbox, newer .. ARGV[5])
end
return abstains or redis.status_reply('OK')
