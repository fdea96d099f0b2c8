-- Writes a version into a register, unless a newer one exists or was promised.
--
-- KEYS  1 register
-- ARGV  1 token  2 seq  3 when the value expires, in ms since 1970  4 '+' with a value, or '-'  5 value
--       6 how long to keep the record, in ms
--
-- OK                the register has this version, or a later one of the same holder
-- {NEWER, promise}  a later holder has read or written it
-- {BADRECORD}       the key holds something that is no register
local record, bad = record_of(KEYS[1])
if bad then return bad end
local token, seq = tonumber(ARGV[1]), tonumber(ARGV[2])
if tonumber(record[1]) > token then return {'NEWER', string.sub(record[1], 1, 20)} end
local was = tonumber(record[2])
if token > was or token == was and seq > tonumber(record[3]) then
  save(KEYS[1], {ARGV[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, ARGV[6])
end
return redis.status_reply('OK')
