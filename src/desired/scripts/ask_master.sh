# Sets named_host and named_port to the master that the Sentinels name; both empty where they name none.
ask_master() {
    answer=$(sentinel get-master-addr-by-name "$MASTER_NAME")
    named_host=${answer%%"$newline"*}
    named_port=${answer##*"$newline"}
    case $named_port in
    '' | *[!0-9]*) named_host='' named_port='' ;;
    esac
}

