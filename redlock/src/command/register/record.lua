-- The record of a register: one string, so that it is kept or lost as a whole. Prepended to the scripts that need it.
--
--   promise token seq expires kind value
--
-- promise     writes with a lower token are refused
-- token, seq  the version of the value
-- expires     when the value expires, in ms since 1970; readers check that
-- kind        '+' if there is a value, or '-'

-- Returns the record under a key. The second value is the reply if the key holds something else.
local function record_of(key)
  local text = redis.call('GET', key)
  if not text then return {'0', '0', '0', '0', '-', ''} end
  -- Longer than the numbers and the largest value: nothing of it is searched or returned.
  if #text > 65636 then return nil, {'BADRECORD'} end
  local promise, token, seq, expires, kind, at = string.match(text, '^(%d+) (%d+) (%d+) (%d+) ([+-])()')
  if not promise then return nil, {'BADRECORD'} end
  return {promise, token, seq, expires, kind, string.sub(text, at)}
end

-- Writes a record, and keeps it for at least this many ms.
local function save(key, record, ms)
  local text = table.concat({record[1], record[2], record[3], record[4], record[5]}, ' ') .. record[6]
  redis.call('SET', key, text, 'PX', math.max(redis.call('PTTL', key), tonumber(ms)))
end

