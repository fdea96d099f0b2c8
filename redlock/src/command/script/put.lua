-- SET that works while memory is full. Prepended to the scripts that need it.
--
-- A server whose memory is full refuses the first write of a script if that write needs memory, but no later one, so that no
-- script ends half done. So if SET is refused, set the expiry, which needs no memory, and try again. The expiry does no harm,
-- since SET sets the same one.
--
-- Returns the reply of SET; nothing if `NX` forbids it; a table with `err` after an error.
local function set(key, value, ms, nx)
  -- A nil cannot be an argument of a command, and a table of arguments costs more than the branch.
  if nx then return redis.pcall('SET', key, value, 'PX', ms, nx) end
  return redis.pcall('SET', key, value, 'PX', ms)
end

local function put(key, value, ms, nx)
  local done = set(key, value, ms, nx)
  if done and done.err and string.find(done.err, 'OOM', 1, true) then
    redis.pcall('PEXPIRE', key, ms)
    done = set(key, value, ms, nx)
  end
  return done
end

