-- Gives a lock back to its ticket after an adoption that failed. Raises the fence above the token of the adoption (the
-- tombstone), so that the adoption is stale if it arrives late.
--
-- KEYS  1 lock  2 fence
-- ARGV  1 owner  2 owner in the ticket  3 the rest of the ticket's time in ms  4 tombstone  5 retention of the fence in ms
--
-- OK  the owner does not hold it (any more)
local was = redis.call('MGET', KEYS[1], KEYS[2])
if was[1] == ARGV[1] then
  local left = math.min(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]))
  local done = put(KEYS[1], ARGV[2], math.max(left, 1))
  if done.err then return done end
end
leave_tombstone(KEYS[2], was[2], ARGV[4], ARGV[5])
return redis.status_reply('OK')
