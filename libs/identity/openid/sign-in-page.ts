/** The sign-in form: plain HTML without scripts, Chinese first. Nothing that comes from outside is shown on it. */
export function signInPage(refused: boolean): string {
  const refusal = refused
    ? '<p role="alert" class="refused">用户名、密码或动态口令不正确，或账户暂时锁定。<br>User name, password or code is wrong, or the account is locked for a while.</p>'
    : '';
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>登录 · 明镜 Mingjing</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 24rem; margin: 12vh auto 0; padding: 0 1rem; color: #1b2430; }
  h1 { font-size: 1.5rem; } label { display: block; margin: 1rem 0 .3rem; }
  input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #8a94a0; border-radius: 4px; }
  button { font: inherit; margin-top: 1.5rem; width: 100%; padding: .6rem; border: 0; border-radius: 4px;
    background: #0b5394; color: #fff; cursor: pointer; }
  .refused { background: #fdecec; color: #7f1d1d; padding: .6rem .8rem; border-radius: 4px; }
</style>
</head>
<body>
<h1>明镜 Mingjing</h1>
${refusal}
<form method="post" autocomplete="off">
<label for="username">用户名 User name</label>
<input id="username" name="username" required maxlength="100" autocomplete="username" autofocus>
<label for="password">密码 Password</label>
<input id="password" name="password" type="password" required maxlength="200" autocomplete="current-password">
<label for="totp">动态口令 One-time code</label>
<input id="totp" name="totp" required pattern="[0-9]{6}" inputmode="numeric" autocomplete="one-time-code">
<button type="submit">登录 Sign in</button>
</form>
</body>
</html>
`;
}
