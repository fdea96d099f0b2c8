-- Ends a hold but keeps the key busy for a window, under an owner that nobody is. The window may be shorter than what
-- was left of the ttl. With a fence: leaves a tombstone, as a release does.
--
-- KEYS  1 lock  [2 fence  [3 marker  4 quarantine]]
-- ARGV  1 owner  2 next owner  3 window in ms  [4 tombstone  5 retention of the fence in ms
--       [6 marker  7 guard time in ms]]
--
-- OK                   busy for the window, by this or by an earlier delivery of the same
-- {QUARANTINED, left}  carried out, but it is no vote; {MAXTTL, marker}: the same
-- GONE                 the owner held nothing here
local abstains = KEYS[3] and no_vote(KEYS[3], KEYS[4], ARGV[6], ARGV[7])

local was = redis.call('MGET', KEYS[1], KEYS[2] or KEYS[1])
local held = was[1] == ARGV[1]
-- Sent again because the answer was lost. What is left is the rest of the window, which began before.
local settled = was[1] == ARGV[2]
if held then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if KEYS[2] then
  local fence = was[2]
  if not fence then
    redis.pcall('SET', KEYS[2], ARGV[4], 'PX', ARGV[5], 'NX')
  elseif string.match(fence, '^%d+$') and tonumber(fence) < tonumber(ARGV[4]) then
    redis.pcall('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
  end
end
return abstains or redis.status_reply((held or settled) and 'OK' or 'GONE')
