-- Makes a client's list of nodes known to this server, and the server known to the client.
--
-- The record holds who the server is, and the lists that clients have announced lately. Its first line is
-- `id life emptied`. The id is the node's own and survives a loss of its data where a client remembers it. The life changes
-- whenever the record is created anew. `emptied` is the time of that in ms since the epoch if a client had known the node
-- before, else 0. A line `was ids` holds the ids that the server had before it lost its data, the latest last. Every further
-- line is a list, `end size ids names`: when it expires, in ms since the epoch, how many nodes it has, the ids of those that
-- its clients have met, and the names of all.
--
-- KEYS  1 record
-- ARGV  1 a fresh id  2 the id by which the client knows the server, or empty
--       3 number of nodes in the list  4 ids of the other nodes that the client counts, separated by commas
--       5 `1` if it counts this one too  6 names of all nodes  7 for how many ms the list is valid; 0: only check it
--       8 `1` if the id in the record is that of another node, whose data were copied
--
-- {NODE, id, life, ms, '', former}   the list is accepted. The data were lost `ms` ago; -1 if no client noticed that. The
--                            life is empty if the record could not be written. `former`: the former ids, separated by commas
-- {NODE, id, life, ms, 'left ids names', former}  refused: another list is valid for `left` ms, and a majority of it need
--                            not share a node with a majority of this one
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('GET', KEYS[1]) or ''
local id, life, emptied, lists = string.match(stored, '^(%x+) (%x+) (%d+)\n(.*)$')
if not id or ARGV[8] == '1' then
  local known = ARGV[2] ~= '' and ARGV[8] ~= '1'
  id, life, emptied, lists = ARGV[2] ~= '' and ARGV[2] or ARGV[1], ARGV[1], known and now or 0, ''
end
emptied = tonumber(emptied)
-- The duration is unknown if the clock was set back.
local since = emptied > 0 and emptied <= now and now - emptied or -1

local mine, ids = {}, {}
local function count(node)
  if not mine[node] then
    mine[node] = true
    ids[#ids + 1] = node
  end
end
for node in string.gmatch(ARGV[4], '%x+') do count(node) end
if ARGV[5] == '1' then count(id) end
local quorum = math.floor(ARGV[3] / 2) + 1

-- A client that was cut off when the data were lost still knows the former id if another client reconnected first.
local former = string.match('\n' .. lists, '\nwas (%S+)') or ''
if ARGV[2] ~= '' and ARGV[2] ~= id and not string.find(former, ARGV[2], 1, true) then
  local latest = {}
  for was in string.gmatch(former, '%x+') do latest[#latest + 1] = was end
  latest[#latest + 1] = ARGV[2]
  former = table.concat(latest, ',', math.max(1, #latest - 7))
end

local kept, refused = {}, nil
for line in string.gmatch(lists, '[^\n]+') do
  local ends, size, theirs, names = string.match(line, '^(%d+) (%d+) (%S*) (.*)$')
  if ends and tonumber(ends) > now then
    local shared, all = 0, 0
    for node in string.gmatch(theirs, '%x+') do
      all = all + 1
      if mine[node] then shared = shared + 1 end
    end
    -- How many of the shared nodes each list needs for a majority. If both can have them at once, their majorities need not
    -- share a node.
    local needed = math.floor(size / 2) + 1
    if #ids >= quorum and all >= needed and
        math.max(0, quorum - (#ids - shared)) + math.max(0, needed - (all - shared)) <= shared then
      refused = refused or string.format('%.0f %s %s', ends - now, theirs, names)
    end
    -- A part of this list was announced by a client with the same list that had met fewer nodes.
    if shared < all or size ~= ARGV[3] then kept[#kept + 1] = line end
  end
end
if not refused and #kept >= 16 then refused = '0  of 16 other lists' end
if refused then return {'NODE', id, life, since, refused, former} end

if ARGV[7] ~= '0' then
  table.sort(ids)
  kept[#kept + 1] = string.format('%.0f %s %s %s', now + ARGV[7], ARGV[3], table.concat(ids, ','), ARGV[6])
end
-- If memory is full, the record cannot be written, but nothing new is granted either.
local first = string.format('%s %s %.0f\n', id, life, emptied)
if former ~= '' then first = first .. 'was ' .. former .. '\n' end
local set = redis.pcall('SET', KEYS[1], first .. table.concat(kept, '\n'))
if set.err and stored == '' then life, since = '', -1 end
return {'NODE', id, life, since, '', former}
