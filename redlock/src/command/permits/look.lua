-- Reports which permits of a semaphore are free, and whether all clients use the same number of permits.
--
-- KEYS  1 number of permits  2 ... permits
-- ARGV  1 number of permits  2 how long the number is kept, in ms
--
-- {FREE, free}       one digit for each permit, 1 where it is free
-- {PERMITS, number}  other clients use this number; empty where the key holds a hash, a list or the like
local values = redis.call('MGET', unpack(KEYS))
if values[1] and values[1] ~= ARGV[1] then return {'PERMITS', string.sub(values[1], 1, 16)} end

-- With pcall: a server whose memory is full still reports the permits.
if values[1] then
  redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
elseif not redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
  return {'PERMITS', ''}
end

local free = {}
for permit = 2, #KEYS do free[permit - 1] = values[permit] and '0' or '1' end
return {'FREE', table.concat(free)}
