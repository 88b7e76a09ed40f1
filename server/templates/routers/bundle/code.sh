printf 'One-time code of {{ v.id }} for {{ wanted }}: ' >&2
if [ -t 0 ]; then stty -echo; fi
read -r code || [ -n "$code" ] # also without a line break at its end
if [ -t 0 ]; then stty echo; echo >&2; fi
