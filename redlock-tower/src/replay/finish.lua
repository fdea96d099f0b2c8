-- Keeps a first answer, if the token noted is still the writer's.
-- KEYS[1]  the hash: token, and record once there is one
-- ARGV[1]  the fencing token, a decimal string
-- ARGV[2]  how long the record lasts, in ms
-- ARGV[3]  the record
-- Replies  1 kept; 0 another token, or none, is noted: nothing was written
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
