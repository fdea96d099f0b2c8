-- Whether `token` is at least the highest one that `key` has seen. Tokens stay strings and are compared digit by digit:
-- Lua would format a number of 16 digits as 1.79e+15.
local function accepted(key, token)
  if not string.match(token, '^[1-9]%d*$') then return false end
  local seen = redis.call('GET', key) or '0'
  if #seen > #token or #seen == #token and seen > token then return false end
  redis.call('SET', key, token)
  return true
end
