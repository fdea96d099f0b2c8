-- SET, on a server without memory too. Stands before the scripts that need it.
--
-- Such a server refuses the first write of a script if it takes memory, and none after it, so that no script ends half
-- done. What goes before here takes none, and does no harm: the key expires when it would have with the write.
--
-- Returns what SET says, nothing where `NX` forbids it; an error has `err`.
local function put(key, value, ms, nx)
  local args = {key, value, 'PX', ms, nx}
  local done = redis.pcall('SET', unpack(args))
  if done and done.err and string.find(done.err, 'OOM', 1, true) then
    redis.pcall('PEXPIRE', key, ms)
    done = redis.pcall('SET', unpack(args))
  end
  return done
end

