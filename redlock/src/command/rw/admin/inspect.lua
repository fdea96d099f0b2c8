-- Who holds a read/write lock, for how long, the highest token seen, and how many processes wait. Writes nothing.
--
-- KEYS  1 writer  2 bar of the writers  3 waiting writers  4 readers  5 waiting readers
--
-- {HOLDERS, waiting, side, owner, left in ms, bar, ...}  four for each holder. The side is 0 for a writer, and 1 for a reader:
--                 at most 1,000 of these, those that expire last. The owner is empty where the value is too long for one
local was = redis.call('MGET', KEYS[1], KEYS[2], KEYS[4])
local writer, bar, only = was[1], was[2], was[3]
bar = bar and #bar <= 16 and bar or '0'
-- With pcall: a user may lack the permission, and a value of another type is no waitlist. An error has no elements.
local waiting = #redis.pcall('ZRANGE', KEYS[3], 0, 999) + #redis.pcall('ZRANGE', KEYS[5], 0, 999)
local reply = {'HOLDERS', waiting}

local function add(side, owner, left)
  local last = #reply
  reply[last + 1], reply[last + 2] = side, #owner <= 64 and owner or ''
  reply[last + 3], reply[last + 4] = left, bar
end

if writer then add(0, writer, redis.call('PTTL', KEYS[1])) end
if only then
  add(1, only, redis.call('PTTL', KEYS[4]))
  return reply
end
local now = clock()
local readers = redis.call('ZRANGE', KEYS[4], -1000, -1, 'WITHSCORES')
for place = 1, #readers, 2 do
  local left = tonumber(readers[place + 1]) - now
  if left > 0 then add(1, readers[place], left) end
end
return reply
