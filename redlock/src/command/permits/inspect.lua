-- Who holds the permits of a semaphore, for how long, the highest token of each, and how many processes wait. Writes nothing.
--
-- KEYS  1 number of permits  2 waiters  3 permit  4 its fence  ... the same of the other permits
-- ARGV  1 number of permits
--
-- {HOLDERS, waiting, permit, owner, left in ms, fence, ...}  four for each permit that is held. The owner is empty where the
--                    value is too long for one
-- {PERMITS, number}  other clients use this number; empty where the key holds a hash, a list or the like
local values = redis.call('MGET', unpack(KEYS))
if values[1] and values[1] ~= ARGV[1] then return {'PERMITS', string.sub(values[1], 1, 16)} end
-- With pcall: a user may lack the permission.
if not values[1] and redis.pcall('EXISTS', KEYS[1]) == 1 then return {'PERMITS', ''} end
-- With pcall: a user may lack the permission, and a value of another type is no waitlist. An error has no elements.
local reply = {'HOLDERS', #redis.pcall('ZRANGE', KEYS[2], 0, 999)}
for place = 3, #KEYS, 2 do
  local owner, fence, last = values[place], values[place + 1], #reply
  if owner then
    reply[last + 1], reply[last + 2] = (place - 3) / 2, #owner <= 64 and owner or ''
    reply[last + 3], reply[last + 4] = redis.call('PTTL', KEYS[place]), fence and #fence <= 16 and fence or '0'
  end
end
return reply
