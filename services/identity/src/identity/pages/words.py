"""What the pages say, in two languages. What is wrong is said by the codes themselves (wire.codes)."""

WORDS: dict[str, tuple[str, str]] = {
    "title": ("通道 · 统一身份", "Tongdao sign-in"),
    "sign_in": ("登录", "Sign in"),
    "login": ("用户名", "Name"),
    "password": ("密码", "Password"),
    "continue": ("继续", "Continue"),
    "elsewhere": ("使用单位统一身份登录", "Sign in with your organisation's account"),
    "second": ("第二步：动态验证码", "Second step: code"),
    "code": ("验证码", "Code"),
    "code_hint": (
        "请输入验证器显示的6位数字；设备遗失的，可输入一个恢复码。",
        "Enter the six digits that your authenticator shows, or a recovery code if you lost it.",
    ),
    "welcome": ("欢迎，{name}", "Welcome, {name}"),
    "invited": (
        "请设置密码，并用手机验证器扫描二维码（或手工输入密钥），再输入其显示的6位数字。",
        "Choose a password, scan the square with an authenticator (or type the key) and enter the six digits it shows.",
    ),
    "key": ("密钥", "Key"),
    "rule": (
        "12至128个字符，含小写、大写、数字、其他字符中的三类，不含用户名。",
        "12 to 128 characters of three kinds (small, capital, digits, others), without your name.",
    ),
    "again": ("再次输入密码", "The same password again"),
    "finish": ("完成", "Finish"),
    "codes": ("恢复码", "Recovery codes"),
    "codes_hint": (
        "请抄录并妥善保管。每个恢复码可代替一次验证码，本页不会再次显示。",
        "Write these down and keep them safe. Each stands in for a code once; they are not shown again.",
    ),
    "change": ("修改密码", "Change password"),
    "must_change": ("继续之前须修改密码。", "You have to choose a new password before you go on."),
    "old": ("当前密码", "Present password"),
    "new": ("新密码", "New password"),
    "account": ("我的账号", "My account"),
    "department": ("部门", "Department"),
    "roles": ("角色", "Roles"),
    "sessions": ("已登录的会话", "Sessions"),
    "since": ("登录时间", "Since"),
    "seen": ("最近使用", "Last used"),
    "from": ("来源", "From"),
    "this": ("本会话", "this one"),
    "end": ("结束", "End"),
    "end_others": ("结束其他全部会话", "End all others"),
    "sign_out": ("退出登录", "Sign out"),
    "refused": ("无法继续", "This cannot go on"),
    "passwords_differ": (
        "两次输入的密码不一致，请重新输入。",
        "The two new passwords are not the same. Type both again.",
    ),
    "old_wrong": ("当前密码不正确。", "The present password is not right."),
    "clock_wrong": (
        "验证码不正确。请确认已扫描本页二维码，并将手机时间设为自动；手机时间相差超过30秒，验证码即不被接受。",
        "The code is not right. Scan the square on this page, and let the phone set its clock by itself: "
        "a clock that is off by more than 30 seconds gives codes that are not accepted.",
    ),
    "away": ("系统暂时无法使用，请稍后重试。", "This does not work at the moment. Try again in a little while."),
    "security-administrator": ("安全管理员", "security administrator"),
    "system-administrator": ("系统管理员", "system administrator"),
    "audit-administrator": ("审计管理员", "audit administrator"),
    "officer": ("数据专员", "data officer"),
    "head": ("部门负责人", "head of department"),
    "authority": ("主管部门人员", "data authority"),
}


def words(language: str) -> dict[str, str]:
    """The words of `zh` or `en`."""
    index = 0 if language == "zh" else 1
    return {name: both[index] for name, both in WORDS.items()}
