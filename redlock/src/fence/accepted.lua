-- Whether `token` is no older than the highest one that `key` has seen. Tokens stay strings and are compared by their
-- digits: as a Lua number, one of 16 digits would be written as 1.79e+15.
local function accepted(key, token)
  if not string.match(token, '^[1-9]%d*$') then return false end
  local seen = redis.call('GET', key) or '0'
  if #seen > #token or #seen == #token and seen > token then return false end
  redis.call('SET', key, token)
  return true
end
