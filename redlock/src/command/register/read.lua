-- Reads a register. The read of a holder promises it to refuse writes with lower tokens from now on.
--
-- KEYS  1 register
-- ARGV  1 token of the holder, 0 without the lock  2 how long the promise is kept, in ms
--
-- {VERSION, token, seq, expires, value}  without the value if there is none
-- {NEWER, promise}                       a later holder has read or written it
-- {BADRECORD}                            the key holds something that is no register
local record, bad = record_of(KEYS[1])
if bad then return bad end
if ARGV[1] ~= '0' then
  if tonumber(record[1]) > tonumber(ARGV[1]) then return {'NEWER', string.sub(record[1], 1, 20)} end
  record[1] = ARGV[1]
  save(KEYS[1], record, ARGV[2])
end
return {'VERSION', record[2], record[3], record[4], record[5] == '+' and record[6] or nil}
