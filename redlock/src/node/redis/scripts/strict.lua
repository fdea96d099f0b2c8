-- Whether this server's yes is a vote, under the strict restart guard. Stands before the scripts that need it.
--
-- The marker names the process that the server was when the guard last looked: its run id and the clients' max_ttl.
-- A server whose marker is missing, or names another process, may have forgotten locks: it is quarantined until
-- every lock that it may have forgotten has expired. No credit is given for uptime.
--
-- Returns nothing when it votes, else {QUARANTINED, ms left} or {MAXTTL, marker}.
local function no_vote(marker_key, quarantine_key, marker, guard)
  local was = redis.call('GET', marker_key)
  if was ~= marker then
    local process = string.match(marker, '^(%S+) ')
    if was and string.match(was, '^(%S+) ') == process then return {'MAXTTL', string.sub(was, 1, 64)} end
    redis.call('SET', quarantine_key, process, 'PX', guard)
    redis.call('SET', marker_key, marker)
  end
  local left = redis.call('PTTL', quarantine_key)
  if left > 0 then return {'QUARANTINED', left} end
end

