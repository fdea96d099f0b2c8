-- Whether `token` is at least the highest one that `key` has seen. Tokens stay strings and are compared digit by digit:
-- Lua would format a number of 16 digits as 1.79e+15. No token is larger than 53 bits.
local function accepted(key, token)
  local function is_token(text)
    return string.match(text, '^[1-9]%d*$') and (#text < 16 or #text == 16 and text <= '9007199254740991')
  end
  if not is_token(token) then return false end
  local seen = redis.call('GET', key) or '0'
  if seen ~= '0' and not is_token(seen) then error('the key of the fence holds no token: delete it if it is not yours') end
  if #seen > #token or #seen == #token and seen > token then return false end
  redis.call('SET', key, token)
  return true
end
