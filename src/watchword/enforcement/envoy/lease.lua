-- Answers the very same request again, as long as its lease holds. Runs in each worker of Envoy, before the authorizer.
--
-- The authorizer alone grants: together with an allow it says for which request (the fields below, byte for byte), with
-- which headers towards the application, and in which slot of a memory that it shares with us the lease stands. The
-- slot is read for each request. Whatever is amiss, an error of this script included, ends in asking the authorizer.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } ww_time;
  typedef struct { short type; short whence; long start; long length; int pid; } ww_lock;
  int clock_gettime(int clock, ww_time *time);
  int open(const char *path, int flags, ...);
  int close(int file);
  int fcntl(int file, int command, ...);
  long lseek(int file, long offset, int whence);
  int munmap(void *address, size_t length);
  void *mmap(void *address, size_t length, int protection, int flags, int file, long offset);
]]

local PATH, MAGIC = "@path@", "@magic@"
local SIZE, ALIVE, ENDS, USES = @size@, @alive@, @ends@, @uses@
local SLOTS, LANES, PRESENCE = @slots@, @lanes@, @presence@
local LEASE, NAMESPACE = "@header@", "@namespace@"

local O_RDWR_CLOEXEC, PROT_READ_WRITE, MAP_SHARED, CLOCK_MONOTONIC = 0x80002, 3, 1, 1
local F_OFD_GETLK, F_OFD_SETLK, F_WRLCK, F_UNLCK, SEEK_END = 36, 37, 1, 2, 2

local time, lock = ffi.new("ww_time"), ffi.new("ww_lock")
local board, alive, ends, uses
local next_try = 0
local by_request, by_slot = {}, {}

local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
end

local function locking(file, command, byte)
  lock.type, lock.whence, lock.start, lock.length, lock.pid = F_WRLCK, 0, byte, 1, 0
  return ffi.C.fcntl(file, command, lock) == 0
end

-- Locks the first free lane; the system lets go of it when this process ends, and it stays ours until then.
local function lane_of(file)
  for lane = 0, LANES - 1 do
    if locking(file, F_OFD_SETLK, lane) then return lane end
  end
end

-- Prevents: the half second of life that a killed control plane has left on its board.
local function is_somebody_there()
  return locking(board, F_OFD_GETLK, PRESENCE) and lock.type ~= F_UNLCK
end

local function open_board(moment)
  if moment < next_try then return false end
  next_try = moment + 1
  local file = ffi.C.open(PATH, O_RDWR_CLOEXEC)
  if file < 0 then return false end
  -- Prevents: a signal that ends Envoy, at a page that the file does not have.
  local memory = ffi.C.lseek(file, 0, SEEK_END) >= SIZE
    and ffi.C.mmap(nil, SIZE, PROT_READ_WRITE, MAP_SHARED, file, 0)
  local bytes = memory and memory ~= ffi.cast("void *", -1) and ffi.cast("char *", memory)
  local lane = bytes and ffi.string(bytes, #MAGIC) == MAGIC and lane_of(file)
  if not lane then
    if bytes then ffi.C.munmap(memory, SIZE) end
    ffi.C.close(file)
    return false
  end
  board = file
  alive, ends = ffi.cast("volatile double *", bytes + ALIVE), ffi.cast("volatile double *", bytes + ENDS)
  uses = ffi.cast("volatile uint32_t *", bytes + USES) + lane
  return true
end

local function request_of(headers)
  return @fields@
end

local function forget(lease)
  if by_request[lease.request] == lease then by_request[lease.request] = nil end
  if by_slot[lease.slot] == lease then by_slot[lease.slot] = nil end
end

local function keep(text)
  local parts = {}
  for part in string.gmatch(text, "([^\t]*)\t") do parts[#parts + 1] = part end
  local slot, moment = tonumber(parts[1]), tonumber(parts[2])
  if not slot or not moment or slot < 0 or slot >= SLOTS or slot % 1 ~= 0 then return end
  local lease = { slot = slot, ends = moment, request = table.concat(parts, "\t", 3, 2 + @count@), names = {}, values = {} }
  for at = 3 + @count@, #parts - 1, 2 do
    lease.names[#lease.names + 1] = parts[at]
    lease.values[#lease.values + 1] = parts[at + 1]
  end
  if by_slot[slot] then forget(by_slot[slot]) end
  by_slot[slot], by_request[lease.request] = lease, lease
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local lease = by_request[request_of(headers)]
  if not lease then return end
  local moment = now()
  if not ends and not open_board(moment) then return end
  if ends[lease.slot] ~= lease.ends or moment >= lease.ends then return forget(lease) end
  if moment >= alive[0] or not is_somebody_there() then return end
  uses[lease.slot * LANES] = uses[lease.slot * LANES] + 1
  for at, name in ipairs(lease.names) do
    local value = lease.values[at]
    if value == "" then headers:remove(name) else headers:replace(name, string.sub(value, 2)) end
  end
  -- Last, so that nothing can fail between here and the application.
  handle:streamInfo():dynamicMetadata():set(NAMESPACE, "holds", "yes")
end

function envoy_on_response(handle)
  local told = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.ext_authz")
  local text = told and told[LEASE]
  if text then keep(text) end
end
