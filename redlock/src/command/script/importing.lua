-- Prepended to a script for the Cluster server that imports a slot. While some of the script's keys are missing there, that
-- server refuses commands with several keys. So the call declares only the first key, the others are arguments, and keys are
-- read one by one.
--
-- KEYS  1 first key
-- ARGV  1 how many keys follow  2 ... those keys, then the script's own arguments
local KEYS, ARGV = (function(first, given)
  local keys, args = {first[1]}, {}
  for place = 2, #given do
    local list = place <= tonumber(given[1]) + 1 and keys or args
    list[#list + 1] = given[place]
  end
  return keys, args
end)(KEYS, ARGV)
local redis = setmetatable({
  call = function(name, ...)
    if name ~= 'MGET' then return redis.call(name, ...) end
    local values = {}
    for place, key in ipairs({...}) do values[place] = redis.call('MGET', key)[1] end
    return values
  end
}, {__index = redis})

