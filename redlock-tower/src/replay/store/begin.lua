-- Returns the record of a request. If there is none, stores the in-progress marker of its handler.
-- KEYS[1]  the hash: field token, and field record once there is one
-- ARGV[1]  the fencing token, a decimal string (below 2^53)
-- ARGV[2]  lifetime of the marker, in ms
-- ARGV[3]  a record that expires in less than this, in ms, is discarded
-- Replies  {0} marked; {1, record}; {2} a larger token is marked, nothing was written
local seen = redis.call('HMGET', KEYS[1], 'token', 'record')
if seen[2] and (ARGV[3] == '0' or redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[3])) then
  return {1, seen[2]}
end
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[1]) then
  return {2}
end
if seen[2] then
  redis.call('HDEL', KEYS[1], 'record')
end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {0}
