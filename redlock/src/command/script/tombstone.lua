-- Raises a fence to a tombstone: what was sent for an earlier token and arrives later is stale. Leaves what is no fence as it is.
-- Prepended to the scripts that need it, after put.lua.
local function leave_tombstone(fence_key, fence, tombstone, retention)
  if not fence then
    put(fence_key, tombstone, retention, 'NX')
  -- Arithmetic converts a string of digits at half of the cost of tonumber.
  elseif string.match(fence, '^%d+$') and fence + 0 < tombstone + 0 then
    put(fence_key, tombstone, retention)
  end
end

