-- Ends a hold but keeps the key busy for a window, the cool-down. Its value marks it as a cool-down, and no holder has that
-- value. The window may be shorter than the rest of the ttl. With a fence: leaves a tombstone, as a release does.
--
-- KEYS  1 lock  2 waiters  [3 fence  [4 marker  5 quarantine]]
-- ARGV  1 owner  2 value of the cool-down  3 window in ms  4 channel prefix  [5 tombstone  6 retention of the fence in ms
--       [7 value of the marker  8 guard time in ms]]
--
-- OK                   busy for the window, by this call or an earlier delivery
-- {QUARANTINED, left}  carried out, but no vote
-- {MAXTTL, marker}     carried out, but no vote: see guard.lua
-- {EPOCH, marker}      carried out, but no vote: see guard.lua
-- GONE                 the owner did not hold it
local abstains = KEYS[4] and no_vote(KEYS[4], KEYS[5], ARGV[7], ARGV[8])

local was = redis.call('MGET', KEYS[1], KEYS[3] or KEYS[1])
local held = was[1] == ARGV[1]
-- Delivered before, and the reply was lost: keep the window.
local cooling = was[1] == ARGV[2]
if held then
  local done = put(KEYS[1], ARGV[2], ARGV[3])
  if done.err then return done end
end
if KEYS[3] then
  local fence = was[2]
  if not fence then
    put(KEYS[3], ARGV[5], ARGV[6], 'NX')
  elseif string.match(fence, '^%d+$') and tonumber(fence) < tonumber(ARGV[5]) then
    put(KEYS[3], ARGV[5], ARGV[6])
  end
end
if held then
  -- No waiter can have the lock before the window is over: notify all of them and remove them.
  repeat
    local inboxes = redis.pcall('ZRANGE', KEYS[2], 0, 127)
    if #inboxes == 0 then break end
    for _, inbox in ipairs(inboxes) do redis.pcall('PUBLISH', ARGV[4] .. inbox, ARGV[2] .. KEYS[1]) end
  until redis.pcall('ZREM', KEYS[2], unpack(inboxes)) ~= 128
end
return abstains or redis.status_reply((held or cooling) and 'OK' or 'GONE')
