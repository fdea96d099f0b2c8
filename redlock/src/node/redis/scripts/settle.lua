-- Ends a hold but keeps the key busy for a window, under an owner that nobody is. The window may be shorter than what
-- was left of the ttl. With a fence: leaves a tombstone, as a release does.
--
-- KEYS  1 lock  [2 fence]
-- ARGV  1 owner  2 next owner  3 window in ms  [4 tombstone  5 retention of the fence in ms]
--
-- OK    busy for the window
-- GONE  the owner held nothing here
local was = redis.call('MGET', KEYS[1], KEYS[2] or KEYS[1])
local held = was[1] == ARGV[1]
if held then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if KEYS[2] then
  local fence = was[2]
  if not fence then
    redis.pcall('SET', KEYS[2], ARGV[4], 'PX', ARGV[5], 'NX')
  elseif string.match(fence, '^%d+$') and tonumber(fence) < tonumber(ARGV[4]) then
    redis.pcall('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
  end
end
return redis.status_reply(held and 'OK' or 'GONE')
