-- Gives a lock back, if it is still ours. With a fence: raises it above the token (the tombstone), so that an acquire
-- or an extension that was delayed on the way and arrives after this finds itself stale.
--
-- KEYS  1 lock  [2 fence]
-- ARGV  1 owner  [2 tombstone  3 retention of the fence in ms]
--
-- OK  the owner holds nothing here
--
-- The deletion comes first: it works when memory is full, and a SET after it then does too.
local was = redis.call('MGET', KEYS[1], KEYS[2] or KEYS[1])
if was[1] == ARGV[1] then redis.call('DEL', KEYS[1]) end
if KEYS[2] then
  local fence = was[2]
  if not fence then
    redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3], 'NX')
  elseif string.match(fence, '^%d+$') and tonumber(fence) < tonumber(ARGV[2]) then
    redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  end
end
return redis.status_reply('OK')
