-- SET that works while memory is full. Prepended to the scripts that need it.
--
-- A server whose memory is full refuses the first write of a script if it needs memory, and no later one, so that no script
-- ends half done. So an expiry is set before the write is tried again: it needs no memory and does no harm, since the
-- write sets the same one.
--
-- Returns the reply of SET; nothing where `NX` forbids it; a table with `err` after an error.
local function set(key, value, ms, nx)
  -- A nil is no argument of a command, and a table of arguments costs more than the branch.
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

