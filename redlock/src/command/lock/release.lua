-- Releases a lock if the owner still holds it. With a fence: raises the fence above the token (the tombstone), so that an
-- acquire or an extension that is delayed and arrives after this is stale.
--
-- KEYS  1 lock  2 waiters  [3 fence]
-- ARGV  1 owner  2 channel prefix  [3 tombstone  4 retention of the fence in ms]
--
-- OK    the owner does not hold it (any more)
-- WOKE  the same, and a waiting process was notified
--
-- The deletion comes first: it needs no memory.
local was = redis.call('MGET', KEYS[1], KEYS[3] or KEYS[1])
local held = was[1] == ARGV[1]
if held then redis.call('DEL', KEYS[1]) end
if KEYS[3] then
  local fence = was[2]
  if not fence then
    put(KEYS[3], ARGV[3], ARGV[4], 'NX')
  elseif string.match(fence, '^%d+$') and tonumber(fence) < tonumber(ARGV[3]) then
    put(KEYS[3], ARGV[3], ARGV[4])
  end
end
if held and notify(KEYS[2], ARGV[2], ARGV[1], KEYS[1]) > 0 then return redis.status_reply('WOKE') end
return redis.status_reply('OK')
