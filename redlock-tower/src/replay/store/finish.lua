-- Stores the record of a request, if its marker has the writer's token.
-- KEYS[1]  the hash: field token, and field record once there is one
-- ARGV[1]  the fencing token, a decimal string
-- ARGV[2]  lifetime of the record, in ms
-- ARGV[3]  the record
-- Replies  1 stored; 0 the marker has another token, or there is none: nothing was written
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
