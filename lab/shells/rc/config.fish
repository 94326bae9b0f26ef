# lab shell: fish reads this after the user's own configuration.
@VARIABLES@
set -l __lab_tools (string split : -- @TOOLS@)
if not string match --quiet -- (string join : -- $__lab_tools)'*' (string join : -- $PATH)
    set -gx PATH $__lab_tools $PATH
end

functions --copy fish_prompt __lab_user_prompt
function fish_prompt
    set -l last $status
    test -n "@HEX@"; and set_color --bold @HEX@
    printf '(%s) ' @CLUSTER@
    test -n "@HEX@"; and set_color normal
    __lab_status $last
    __lab_user_prompt
end
function __lab_status
    return $argv[1]
end

kubectl completion fish 2>/dev/null | source
