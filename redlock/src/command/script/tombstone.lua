-- Raises a fence to a tombstone: what was sent for an earlier token and arrives later is stale. Leaves what is no fence as it is.
-- Prepended to the scripts that need it, after put.lua.
--
-- `held`: the owner was just found to hold the lock, and its key was removed. Then the fence is usually the last token of the
-- owner, and INCR makes it the tombstone at less cost than SET. INCR keeps the expiry of the fence. That is enough:
-- - The last acquire or extension of the owner set it to the retention, at most a ttl ago, since the key had not expired. So what
--   is left is at least the retention without max_ttl: the clock skew bound, and by default 10 min more.
-- - Tokens have to grow until all clocks are past the last one, which is as old as that acquire. The tombstone adds nothing to that.
-- - A release that finds the fence raised already, by a contender that gave up, does not set the expiry either.
-- Where INCR is refused (no right to it, a leading zero), SET follows.
local increments = true
local function leave_tombstone(fence_key, fence, tombstone, retention, held)
  if not fence then
    put(fence_key, tombstone, retention, 'NX')
  elseif string.match(fence, '^%d+$') then
    -- Arithmetic converts a string of digits at half of the cost of tonumber. It is exact below 2^53.
    local above = tombstone - fence
    if above == 1 and held and increments then
      local done = redis.pcall('INCR', fence_key)
      if type(done) == 'number' then return end
      -- Without the right, do not try again in this call: each time is logged by the server.
      increments = string.find(done.err, 'not an integer', 1, true)
    end
    if above > 0 then put(fence_key, tombstone, retention) end
  end
end

