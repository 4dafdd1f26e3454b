# The protocol tidegate.slots/1 for programs in a POSIX shell: reads the request, and answers. Whoever sources this file defines
#
#   state                      gives `result` the state of both slots
#   clear mark_good activate seal write read_image
#                              do it to $slot, $other being the other one, with $image, $size, $offset, $length or $trial of the
#                              request, or `refuse`; read_image gives `result` its answer before the bytes
#   locate                     is told of $slot and $image before that
#   alone                      waits until no other operation changes slots
#   is_full                    whether there is no room left
#
# and ends with `serve`.
# shellcheck shell=sh disable=SC2034

protocol=tidegate.slots/1
answered=no
image=

result() {
  answered=yes
  printf '{"protocol":"%s","result":%s}\n' "$protocol" "$1"
}

refuse() {
  answered=yes
  printf '{"protocol":"%s","error":{"code":"%s","message":"%s"}}\n' "$protocol" "$1" "$2"
  exit 1
}

# Whatever ends the script before it has answered failed at its work; the reason is on stderr.
unforeseen() {
  if [ "$answered" = no ]; then
    if is_full; then refuse full 'there is no room left'; fi
    refuse disk 'a step failed, see stderr'
  fi
}

# get KEY: `value` is what the request says of it; a request that does not have the key gives nonsense.
get() {
  key=\"$1\":
  value=${request#*"$key"}
  value=${value%%[,\}]*}
  value=${value#\"}
  value=${value%\"}
}

get_number() {
  get "$1"
  case $value in
  '' | *[!0-9]* | 0?* | ????????????????*) refuse slots "$1 must be a whole number" ;;
  esac
}

get_slot() {
  get slot
  slot=$value
  case $slot in
  a) other=b ;;
  b) other=a ;;
  *) refuse slots 'slot must be a or b' ;;
  esac
}

get_image() {
  get image
  image=$value
  case $image in
  '' | [!a-z]* | *[!a-z0-9_]*) refuse slots 'image must be the name of an image' ;;
  esac
}

# must_be KEYS: the request has these keys and no others, in this order.
must_be() {
  [ "$request" = "{\"protocol\":\"$protocol\",\"operation\":\"$operation\"$1}" ] ||
    refuse slots "the request is not one of $operation"
}

serve() {
  trap unforeseen EXIT
  IFS= read -r request || refuse slots 'the request is not one line'
  case $request in
  "{\"protocol\":\"$protocol\",\"operation\":\""*) ;;
  '{"protocol":"'*) refuse unsupported "this is $protocol" ;;
  *) refuse slots 'the request is no request' ;;
  esac
  get operation
  operation=$value
  case $operation in
  state)
    must_be ''
    state
    ;;
  clear | mark-good | activate | seal | write | read)
    get_slot
    ;;
  *) refuse unsupported 'there is no such operation' ;;
  esac
  case $operation in
  clear)
    must_be ",\"slot\":\"$slot\""
    locate
    alone
    clear
    result '{}'
    ;;
  mark-good)
    must_be ",\"slot\":\"$slot\""
    locate
    alone
    mark_good
    result '{}'
    ;;
  activate)
    get trial
    trial=$value
    case $trial in true | false) ;; *) refuse slots 'trial must be true or false' ;; esac
    must_be ",\"slot\":\"$slot\",\"trial\":$trial"
    locate
    alone
    activate
    result '{}'
    ;;
  seal)
    get_number size
    size=$value
    must_be ",\"slot\":\"$slot\",\"size\":$size"
    locate
    alone
    seal
    result '{}'
    ;;
  write)
    get_image
    get_number size
    size=$value
    must_be ",\"slot\":\"$slot\",\"image\":\"$image\",\"size\":$size"
    locate
    alone
    write
    result '{}'
    ;;
  read)
    get_image
    get_number offset
    offset=$value
    get_number length
    length=$value
    must_be ",\"slot\":\"$slot\",\"image\":\"$image\",\"offset\":$offset,\"length\":$length"
    locate
    read_image
    ;;
  esac
}
