-- Looks for a first answer, or notes that the holder of a token is at work.
-- KEYS[1]  the hash: token, and record once there is one
-- ARGV[1]  the fencing token, a decimal string (below 2^53)
-- ARGV[2]  how long the note lasts, in ms
-- Replies  {0} noted; {1, record} there is one; {2} a larger token is noted already, nothing was written
local seen = redis.call('HMGET', KEYS[1], 'token', 'record')
if seen[2] then
  return {1, seen[2]}
end
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[1]) then
  return {2}
end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {0}
