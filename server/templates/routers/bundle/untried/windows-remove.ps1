{% include "routers/bundle/untried/head.txt" -%}
# 元に戻します / takes away what windows.ps1 brought. Run it as administrator, in the same folder. #
{% for peer in v.peers %}Remove-VpnS2SInterface -Name '{{ peer.id }}' -Force
{% endfor %}
{%- if v.certificate %}Get-ChildItem Cert:\LocalMachine\My | Where-Object { $_.Subject -like '*CN={{ v.id }}*' } | Remove-Item
foreach ($file in 'sekisho-root.cer'{% for issuer in v.issuers %}, 'sekisho-{{ issuer.file }}.cer'{% endfor %}) {
  $path = Resolve-Path $file
  $thumbprint = (New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 $path).Thumbprint
  Get-ChildItem Cert:\LocalMachine\Root, Cert:\LocalMachine\CA | Where-Object { $_.Thumbprint -eq $thumbprint } | Remove-Item
}
# 失効確認と着信の認証方式は、以前の値を確かめて戻してください。 #
# Set-NetFirewallSetting -CertValidationLevel and Set-VpnAuthProtocol: set what was there before.
Restart-Service RemoteAccess
{% endif -%}
